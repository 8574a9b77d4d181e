"""The demonstration: `osteon demo`.

command.py   the story: bring up the stack, send, wait, show
send.py      files to the doors, as a hospital sends them
follow.py    from what was sent to what came out
planted.py   looks for identifiers where none may be
report.py    report.html
"""
