"""How the suite tells the desk's processes what is wrong: files in FAULTS_DIR.

`disk` has the name of an error, or HANGS; `clock` by how many seconds the time is off. They tell
in turn, by a file with their number, that they are ready.
"""

DISK, CLOCK, READY = "disk", "clock", "ready-"
HANGS = "HANGS"
