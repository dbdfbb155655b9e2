"""The front doors beside Measurement Protocol v1: GA4 as gtag sends it, GA4's Measurement Protocol, Segment's HTTP API.

A protocol takes a request apart into events, each in a form that the same path would take again, and translates an event
into a hit: v1's parameter names, so that everything downstream sees one language. The event is kept beside the hit in the
record (`request.original`), the protocol's name too (`request.protocol`; v1 has neither).

    routes                     the paths
    events                     what a protocol is, and what all of them need
    shared                     what the events of a request have in common
    ga4_gtag, ga4_mp           how GA4's requests are read
    ga4_events, ga4_shopping   what GA4's events mean, one table for both
    segment, segment_pixel     how Segment's requests are read
    segment_events,            what its calls mean
    segment_context,
    segment_shopping

Names of ours in a hit: `_en` is the client's own name of the event, `_sid` its session's id, `_et` milliseconds of
engagement. Whatever a table does not name is kept under its own name, with the protocol's before it where v1 means something
else by that name.

As in the whole handler, nothing but the standard library is imported here.
"""
