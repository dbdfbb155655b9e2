{#
    `replace_partitions` on the embedded engine: the rows of the run's dates are staged, a Parquet file a date, where no reader looks.

    The database is one in memory that shows a snapshot of the lake (platform/resources/duckdb/dbt_plugin.py). A model is worked out once,
    into memory, and written from there; then the view of its name shows the new rows in place of the published ones of these dates, to
    the models further down and to tests: from memory as long as they are not too many, from the staged files otherwise. The platform
    publishes the files of all models at once, or none.
    A date without rows has a file, too: what is staged does not depend on what is in it.
#}
{% materialization replace_partitions, adapter="duckdb" %}
    {%- set relation = this.incorporate(type="view") -%}
    {%- set published = "published." ~ this.schema ~ "__" ~ this.identifier -%}
    {%- set existing = load_cached_relation(this) -%}
    {%- set columns = columns_in_order_of(existing) | join(", ") -%}
    {%- set folder = env_var("LAKE_STAGED", "") | replace("'", "''") -%}
    {%- set worked_out = "worked_out." ~ this.schema ~ "__" ~ this.identifier -%}
    {%- set paths = [] -%}

    {{ only_in_a_proposal(folder) }}

    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}

    {%- call statement("work_place") -%} create schema if not exists worked_out {%- endcall -%}
    {%- call statement("main") -%}
        create or replace table {{ worked_out }} as {{ sql }}
    {%- endcall -%}
    {# Asked of what was worked out: the model's own SQL would be planned a second time. #}
    {{ get_assert_columns_equivalent("select * from " ~ worked_out) }}
    {%- call statement("dates_of_the_run") -%}
        select error('{{ model.name }} has rows of ' || min(event_date) || ', which is no date of this run')
        from {{ worked_out }} where not ({{ in_window() }}) having count(*) > 0
    {%- endcall -%}
    {%- for day in window_days() -%}
        {%- do paths.append("'" ~ folder ~ "/" ~ this.schema ~ "/" ~ this.identifier ~ "/event_date=" ~ day ~ "/rows.parquet'") -%}
        {%- call statement("stage_" ~ day) -%}
            copy (select {{ columns }} from {{ worked_out }} where event_date = date '{{ day }}') to {{ paths[-1] }}
            (format parquet, compression zstd, compression_level 1)
        {%- endcall -%}
    {%- endfor -%}
    {%- call statement("fingerprints") -%}
        copy ({{ fingerprints_sql(worked_out) }}) to '{{ folder }}/{{ this.schema }}/{{ this.identifier }}/fingerprints.parquet' (format parquet)
    {%- endcall -%}
    {%- set rows = run_query("select count(*) from " ~ worked_out).columns[0].values()[0] -%}
    {%- call statement("show_staged") -%}
        create or replace view {{ relation.include(database=false) }} as
        {% if existing is not none -%}
        select * from {{ published }} where not ({{ in_window() }}) union all by name
        {%- endif %}
        {% if rows <= var("rows_in_memory") -%}
        select * from {{ worked_out }}
        {%- else -%}
        select * from read_parquet([{{ paths | join(", ") }}], hive_partitioning = true, hive_types = {event_date: date})
        {%- endif %}
    {%- endcall -%}
    {%- if rows > var("rows_in_memory") -%}
    {%- call statement("release") -%} drop table {{ worked_out }} {%- endcall -%}
    {%- endif -%}

    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {{ adapter.commit() }}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {{ return({"relations": [relation]}) }}
{% endmaterialization %}

{#
    By date the number of rows and, by column, a digest of all (row key, value), whatever their order: what changed between two builds is
    told by comparing these. platform/resources/duckdb/fingerprints.py has the same.
#}
{% macro fingerprints_sql(rows) -%}
    select
        event_date as "_day",
        count(*) as "_rows"
        {%- for name in model.columns %},
        cast(sum(hash(hash("_key", "{{ name }}"))) % 18446744073709551616 as ubigint) as "{{ name }}"
        {%- endfor %}
    from (select *, hash({{ '"' ~ config.require("unique_key") | join('", "') ~ '"' }}) as "_key" from {{ rows }}) as keyed
    group by event_date
{%- endmacro %}

{# The model's columns as its published files have them: what it gained stands at their end, and what it lost is null. #}
{% macro columns_in_order_of(existing) -%}
    {%- set columns = [] -%}
    {%- set held = adapter.get_columns_in_relation(existing) if existing is not none else [] -%}
    {%- for column in held -%}
        {%- do columns.append(column.name if column.name in model.columns else "cast(null as " ~ column.dtype ~ ") as " ~ column.name) -%}
    {%- endfor -%}
    {%- for name in model.columns if name not in held | map(attribute="name") | list -%}
        {%- do columns.append(name) -%}
    {%- endfor -%}
    {{ return(columns) }}
{%- endmacro %}
