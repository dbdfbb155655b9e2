select
    * exclude (req_body),
    req_body ->> '$.ti' as transaction_id,
    req_body ->> '$.ta' as transaction_affiliation,
    try_cast(req_body ->> '$.tr' as decimal(38, 9)) as transaction_revenue,
    try_cast(req_body ->> '$.tt' as decimal(38, 9)) as transaction_tax,
    try_cast(req_body ->> '$.ts' as decimal(38, 9)) as transaction_shipping,
    req_body ->> '$.tcc' as transaction_coupon_code,
    req_body ->> '$.cu' as currency_code
from events.logs
where product_action = 'purchase' and req_body ->> '$.ti' is not null
qualify row_number() over (partition by req_body ->> '$.ti' order by request_timestamp, log_id) = 1
