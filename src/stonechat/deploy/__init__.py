"""From a wanted project to a live one: difference, plan, rehearsal, application."""
