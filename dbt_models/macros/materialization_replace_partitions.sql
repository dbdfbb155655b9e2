{#
    `replace_partitions`: a table of which a run replaces exactly the event dates [start, end) that it was given, in one transaction.

    A run that is killed leaves the old rows; a date without hits is emptied; rows never pass through a temporary copy (dbt's
    delete+insert writes them twice, and leaves a date that became empty as it was; microbatch runs a query a date). The
    model has an enforced contract, so that the table can be created before its first rows: chunks of a backfill that start
    together find it there. Columns that a model gained are added, and a count that became
    wider is widened; any other change of a type is refused.
#}
{% materialization replace_partitions, default %}
    {%- set relation = this.incorporate(type="table") -%}
    {%- set existing = load_cached_relation(this) -%}
    {%- set names = model.columns.keys() | list -%}

    {%- if not config.get("contract").enforced -%}
        {{ exceptions.raise_compiler_error("a model of materialization 'replace_partitions' needs an enforced contract") }}
    {%- endif -%}

    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}

    {%- if existing is not none and (not existing.is_table or should_full_refresh()) -%}
        {{ adapter.drop_relation(existing) }}
        {%- set existing = none -%}
    {%- endif -%}
    {%- if existing is none -%}
        {%- call statement("create_table") -%}
            {{ create_partitioned_table_sql(relation, get_table_columns_and_constraints()) }}
        {%- endcall -%}
    {%- else -%}
        {{ add_new_columns(relation) }}
    {%- endif -%}

    {{ get_assert_columns_equivalent(sql) }}
    {%- call statement("main") -%}
        {{ replace_partitions_sql(relation, names, sql) }}
    {%- endcall -%}

    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {%- do persist_docs(relation, model) -%}
    {{ adapter.commit() }}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {{ return({"relations": [relation]}) }}
{% endmaterialization %}

{# The model's columns by name: a column that was added to a table stands at its end, wherever the model has it. #}
{% macro own_columns() -%}
    {{ model.columns.keys() | join(", ") }}
{%- endmacro %}

{% macro add_new_columns(relation) -%}
    {%- set held = {} -%}
    {%- for column in adapter.get_columns_in_relation(relation) -%}
        {%- do held.update({column.name | lower: column}) -%}
    {%- endfor -%}
    {%- for name, column in model.columns.items() -%}
        {%- if name | lower not in held -%}
            {%- call statement("add_column_" ~ name) -%}
                alter table {{ relation }} add column {{ name }} {{ column.data_type }}
            {%- endcall -%}
        {%- elif held[name | lower].dtype | lower == "bigint" and column.data_type == "decimal(38, 0)" -%}
            {%- call statement("widen_column_" ~ name) -%}
                alter table {{ relation }} alter column {{ name }} type {{ column.data_type }}
            {%- endcall -%}
        {%- endif -%}
    {%- endfor -%}
{%- endmacro %}

{% macro create_partitioned_table_sql(relation, columns) -%}
    {{ return(adapter.dispatch("create_partitioned_table_sql")(relation, columns)) }}
{%- endmacro %}

{# A column may ask for its compression (meta.compression): DuckDB's choice for long texts costs half
    as much again, and compressing random ids costs a sixth of the time to write a hit. #}
{% macro duckdb__create_partitioned_table_sql(relation, columns) -%}
    create table if not exists {{ relation }} (
        {%- for name, column in model.columns.items() %}
        {{ name }} {{ column.data_type }}
        {%- if column.config.meta.compression %} using compression {{ column.config.meta.compression }}{% endif %}
        {{- "," if not loop.last }}
        {%- endfor %}
    )
{%- endmacro %}

{% macro snowflake__create_partitioned_table_sql(relation, columns) -%}
    {%- set cluster_by = config.get("cluster_by", ["event_date"]) -%}
    create transient table if not exists {{ relation }} {{ columns }} cluster by ({{ cluster_by | join(", ") }})
{%- endmacro %}

{% macro replace_partitions_sql(relation, names, select_sql) -%}
    {{ return(adapter.dispatch("replace_partitions_sql")(relation, names, select_sql)) }}
{%- endmacro %}

{# dbt-duckdb opens the transaction before the first statement and commits it with adapter.commit(). #}
{% macro default__replace_partitions_sql(relation, names, select_sql) -%}
    delete from {{ relation }} where {{ in_window() }};
    insert into {{ relation }} ({{ names | join(", ") }})
    select {{ names | join(", ") }} from (
        {{ select_sql }}
    ) as window_rows
{%- endmacro %}

{# The session's tag says which run, model and dates a statement in Snowflake's query history belongs to. #}
{% macro snowflake__replace_partitions_sql(relation, names, select_sql) -%}
    alter session set query_tag = 'clickstream {{ invocation_id }} {{ relation.identifier }} {{ in_window_label() }}';
    {{ snowflake_dml_explicit_transaction(default__replace_partitions_sql(relation, names, select_sql)) }}
{%- endmacro %}
