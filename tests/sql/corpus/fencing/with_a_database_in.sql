SELECT n FROM u WHERE n IN fencing.only_numbers
---
refused
---
TableNotAllowed
