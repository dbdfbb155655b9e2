-- Every row of RAW.LOGS under the names of this project, with the reason why it is no hit, if it is none.

with raw_logs as (

    select * from {{ source('raw', 'logs') }}
    where arrival_date >= {{ first_date() }}

),

named as (

    select
        log_id,
        log_filename,
        arrival_date,
        event_date,
        event_at,
        request_timestamp,
        request_timestamp as received_at,
        request_id,
        coalesce(event_id, cast(log_id as varchar)) as event_id,
        service_id,
        -- A label of the statistics is no property of its own.
        coalesce(nullif(tracking_id, '(all)'), '(not set)') as tracking_id,
        client_id,
        user_id,
        -- A hit needs a client or a user; who has only the latter must not meet a client of that name.
        coalesce(client_id, 'uid:' || user_id) as visitor_id,
        coalesce({{ hit_text('uip') }}, {{ text_or_null(record_text('context', 'user_ip')) }}) as user_ip,
        coalesce({{ hit_text('ua') }}, {{ text_or_null(record_text('context', 'user_agent')) }}) as user_agent,
        {{ hit_text('z') }} as cache_buster,
        lower({{ hit_text('sc') }}) as session_control,
        {{ hit_text('qt') }} as queue_time,
        lower({{ hit_text('t') }}) as hit_type,
        lower({{ hit_text('pa') }}) as product_action,
        {{ hit_text('pal') }} as product_action_list,
        lower({{ hit_text('promoa') }}) as promotion_action,
        coalesce({{ hit_text('dl') }}, {{ text_or_null(record_text('context', 'document_location')) }}) as document_location,
        coalesce({{ hit_text('dr') }}, {{ text_or_null(record_text('context', 'document_referrer')) }}) as document_referrer,
        {{ hit_text('dh') }} as document_host,
        {{ hit_text('dp') }} as document_path,
        {{ hit_text('dt') }} as document_title,
        {{ hit_text('cd') }} as screen_name,
        lower({{ hit_text('sr') }}) as screen_resolution,
        lower({{ hit_text('vp') }}) as viewport_size,
        upper({{ hit_text('de') }}) as document_encoding,
        lower({{ hit_text('sd') }}) as screen_colors,
        lower({{ hit_text('ul') }}) as user_language,
        {{ hit_text('cn') }} as campaign_name,
        {{ hit_text('cs') }} as campaign_source,
        {{ hit_text('cm') }} as campaign_medium,
        {{ hit_text('ck') }} as campaign_keyword,
        {{ hit_text('cc') }} as campaign_content,
        {{ hit_text('ci') }} as campaign_id,
        {%- for name in click_ids() %}
        {{ hit_text(name) }} as {{ name }},
        {%- endfor %}
        {{ hit_text('ec') }} as event_category,
        {{ hit_text('ea') }} as event_action,
        {{ hit_text('el') }} as event_label,
        {{ hit_text('ev') }} as event_value,
        {{ hit_text('ni') }} as non_interaction,
        {{ hit_text('ti') }} as transaction_id,
        {{ hit_text('ta') }} as transaction_affiliation,
        {{ hit_text('tr') }} as transaction_revenue,
        {{ hit_text('tt') }} as transaction_tax,
        {{ hit_text('ts') }} as transaction_shipping,
        {{ hit_text('tcc') }} as transaction_coupon_code,
        upper({{ hit_text('cu') }}) as currency_code,
        coalesce({{ text_or_null(record_text('request', 'protocol')) }}, 'measurement_protocol_v1') as protocol,
        {{ hit_text('_en') }} as event_name,
        {{ hit_text('_sid') }} as client_session_id,
        {{ hit_text('_et') }} as engagement,
        {{ record_text('rejected', 'reason') }} as rejected_reason,
        {{ record_text('rejected', 'detail') }} as rejected_detail,
        {{ record_text('rejected', 'payload') }} as rejected_payload,
        {{ body_json() }} as req_body,
        {{ record_json() }} as record_json
    from raw_logs

),

judged as (

    select
        *,
        case
            when rejected_reason is not null then rejected_reason
            when service_id is null then 'not_a_record'
            when service_id <> 'api.collect' then 'unknown_service'
            when event_at is null then 'unreadable_timestamp'
            when cast(event_at as date) <> event_date then 'timestamp_out_of_range'
            when event_date < {{ first_date() }} then 'before_first_partition'
            when hit_type is null then 'missing_hit_type'
            when visitor_id is null then 'missing_client_id'
        end as quarantine_reason
    from named

)

select * from judged
