"""The paths of the protocols beside v1."""

from __future__ import annotations

from collector.outcomes import Answers
from collector.protocols import ga4_gtag, ga4_mp, segment, segment_pixel
from collector.records import JSON_HEADERS
from collector.routes import Route
from collector.web import no_content

_MP = Route(("POST",), answers=Answers(no_content), answered={}, status=204, protocol=ga4_mp.PROTOCOL)
_SEGMENT = Route(
    ("POST",), answers=Answers(segment.succeeded, segment.succeeded, segment.refused), answered=JSON_HEADERS
)
ROUTES = {
    "/g/collect": _MP._replace(methods=("POST", "GET"), protocol=ga4_gtag.PROTOCOL),
    "/mp/collect": _MP,
    "/debug/mp/collect": _MP._replace(judge=ga4_mp.validation),
    **{f"/v1/{path}": _SEGMENT._replace(protocol=protocol) for path, protocol in segment.PATHS.items()},
    **{f"/v1/{path}": Route(("GET",), protocol=protocol) for path, protocol in segment_pixel.PATHS.items()},
}
