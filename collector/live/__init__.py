"""What this collector takes and refuses right now, for whoever builds or tests a client: a page and a JSON endpoint under /live.

    recent     the last hits and refusals of one process, in bounded memory
    siblings   the same of the server's other processes, asked over private sockets
    door       who may look: this machine's own user, from an address of this machine
    answers    /live, /live/hits, /live/counts, /live/reset

The local server's alone, and only where COLLECTOR_LIVE says so. The Lambda package leaves this folder out (infra/ingestion_path/package.py).
"""
