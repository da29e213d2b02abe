"""The server of the webhook's instance: `manage.py serve`.

A supervisor accepts connections and hands them to its processes in turn; each of them runs uvicorn.
"""
