"""How files come from one place to another, and how it is seen that they are there: what several steps stand on."""
