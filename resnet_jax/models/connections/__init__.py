"""How a block joins what it is given and its branch F; models/shortcuts.py is the table of them."""
