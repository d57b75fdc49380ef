"""What can be typed? One file a command, in rooms that are the headings of `metarule --help`."""
