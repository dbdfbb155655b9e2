"""The collector: hits in over HTTP, records out to a delivery stream, the same code in Lambda and on a laptop.

    contract, parameters, texts   what a hit is and how it is read
    records, fast_json            what becomes of it in the archive
    web, routes, bodies,          a request, who takes it, how its hits are read,
    gzip_bodies, intake, outcomes how it is judged, what it is answered
    protocols                     GA4's and Segment's requests as hits
    privacy, payloads, spellings  what may reach disk, of a hit and of a refused request
    settings, env_settings,       what an operator can set, and what is said of a mistake
    env_file, errors
    gateway, handler, delivery,   Lambda: API Gateway's events, the entry, Firehose and the fallback queue,
    telemetry, redrive            counters, the way back from the queue
    server, serving, connection,  the laptop: the application, how it is served and bounded,
    refusals, fragments, parting, as a command
    sweep, commands, __main__
    live                          what the laptop's server takes and refuses right now, to look at
    local_process                 as a subprocess of other code
    journal, local_delivery,      the local delivery stream, from journal to object
    local_stream, durable
    archive_keys                  how objects are named

It imports nothing of this project's other folders, and in Lambda nothing but the standard library and boto3.
"""
