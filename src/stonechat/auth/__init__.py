"""Tokens, scopes and the decisions that follow from them."""
