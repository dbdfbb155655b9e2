select * exclude (hit_type, product_action, req_body),
    req_body ->> '$.dp' as document_path,
    req_body ->> '$.dh' as document_host
from events.logs
where hit_type = 'pageview'
