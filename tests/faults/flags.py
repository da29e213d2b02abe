"""How the suite tells the desk's processes what is wrong: files in FAULTS_DIR.

`disk` has the name of an error, or HANGS; `clock` by how many seconds the time is off.
"""

DISK, CLOCK = "disk", "clock"
HANGS = "HANGS"
