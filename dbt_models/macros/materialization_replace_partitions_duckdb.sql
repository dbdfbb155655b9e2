{#
    `replace_partitions` on the embedded engine: the rows of the run's dates are staged, a Parquet file a date, where no reader looks.

    The database is one in memory that shows a snapshot of the lake (platform/resources/duckdb/dbt_plugin.py). A model is worked out once,
    into memory, and written from there; then the view of its name shows the staged files in place of the published ones of these
    dates, to the models further down and to tests. The platform publishes the files of all models at once, or none.
    A date without rows has a file, too: what is staged does not depend on what is in it.
#}
{% materialization replace_partitions, adapter="duckdb" %}
    {%- set relation = this.incorporate(type="view") -%}
    {%- set published = "published." ~ this.schema ~ "__" ~ this.identifier -%}
    {%- set existing = load_cached_relation(this) -%}
    {%- set columns = columns_in_order_of(existing) | join(", ") -%}
    {%- set folder = env_var("LAKE_STAGED", "") | replace("'", "''") -%}
    {%- set paths = [] -%}

    {{ only_in_a_proposal(folder) }}

    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}

    {%- call statement("main") -%}
        create or replace temp table staged as {{ sql }}
    {%- endcall -%}
    {# Asked of what was worked out: the model's own SQL would be planned a second time. #}
    {{ get_assert_columns_equivalent("select * from staged") }}
    {%- call statement("dates_of_the_run") -%}
        select error('{{ model.name }} has rows of ' || min(event_date) || ', which is no date of this run')
        from staged where not ({{ in_window() }}) having count(*) > 0
    {%- endcall -%}
    {%- for day in window_days() -%}
        {%- do paths.append("'" ~ folder ~ "/" ~ this.schema ~ "/" ~ this.identifier ~ "/event_date=" ~ day ~ "/rows.parquet'") -%}
        {%- call statement("stage_" ~ day) -%}
            copy (select {{ columns }} from staged where event_date = date '{{ day }}') to {{ paths[-1] }} (format parquet, compression zstd)
        {%- endcall -%}
    {%- endfor -%}
    {%- call statement("fingerprints") -%}
        copy ({{ fingerprints_sql("staged") }}) to '{{ folder }}/{{ this.schema }}/{{ this.identifier }}/fingerprints.parquet' (format parquet)
    {%- endcall -%}
    {%- call statement("show_staged") -%}
        create or replace view {{ relation.include(database=false) }} as
        {% if existing is not none -%}
        select * from {{ published }} where not ({{ in_window() }}) union all by name
        {%- endif %}
        select * from read_parquet([{{ paths | join(", ") }}], hive_partitioning = true, hive_types = {event_date: date})
    {%- endcall -%}
    {%- call statement("drop_staged") -%} drop table staged {%- endcall -%}

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
