{#
    `replace_partitions` on Snowflake: the rows of the run's event dates [start, end) go into a table of their own, beside a view of what
    the model will be once they are published (macros/proposal.sql). Nothing that is published is touched.

    Snowflake commits with each DDL, so none may stand in the transaction that publishes: what the published table needs (to be made, new
    columns, comments) is noted, and executed before it. The model has an enforced contract, so that all this is known.
#}
{% materialization replace_partitions, adapter="snowflake" %}
    {%- set published = this.incorporate(type="table") -%}
    {%- set staged = staged_relation(published) -%}
    {%- set held = [] -%}

    {{ only_in_a_proposal(proposal()) }}

    {{ run_hooks(pre_hooks) }}

    {%- if load_cached_relation(this) is not none -%}
        {%- do held.extend(adapter.get_columns_in_relation(published) | map(attribute="name") | map("lower")) -%}
    {%- endif -%}
    {{ get_assert_columns_equivalent(sql) }}
    {%- call statement("create_staged") -%}
        create or replace transient table {{ staged }} {{ get_table_columns_and_constraints() }}
    {%- endcall -%}
    {%- call statement("main") -%}
        {{ stage_sql(staged, sql) }}
    {%- endcall -%}
    {%- set others = run_query("select min(event_date) from " ~ staged ~ " where not (" ~ in_window() ~ ")").rows[0][0] -%}
    {%- if others -%}
        {{ exceptions.raise_compiler_error(model.name ~ " has rows of " ~ others ~ ", which is no date of this run") }}
    {%- endif -%}
    {{ note_fingerprints(staged) }}
    {%- call statement("create_whole") -%}
        {{ create_whole_view_sql(staged, published, held) }}
    {%- endcall -%}
    {{ define_when_published("table", definitions_of_table(staged, published, held)) }}

    {{ run_hooks(post_hooks) }}
    {{ return({"relations": [published]}) }}
{% endmaterialization %}

{# The session's tag says which run, model and dates a statement in Snowflake's query history belongs to. #}
{% macro stage_sql(staged, select_sql) -%}
    alter session set query_tag = 'clickstream {{ invocation_id }} {{ this.identifier }} {{ in_window_label() }}';
    {%- set rows_of_window -%}
    insert into {{ staged }} ({{ own_columns() }})
    select {{ own_columns() }} from (
        {{ select_sql }}
    ) as window_rows
    {%- endset %}
    {{ snowflake_dml_explicit_transaction(rows_of_window) }}
{%- endmacro %}

{# `held` are the columns that the published table has; there is none yet when it is empty. #}
{% macro create_whole_view_sql(staged, published, held) -%}
    create or replace view {{ staged_relation(published, "_whole") }} as
    {%- if held %}
    select
        {% for name, column in model.columns.items() -%}
        {{ name if name | lower in held else "cast(null as " ~ column.data_type ~ ") as " ~ name }}{{ ", " if not loop.last }}
        {%- endfor %}
    from {{ published }} where not ({{ in_window() }})
    union all
    {%- endif %}
    select {{ own_columns() }} from {{ staged }}
{%- endmacro %}

{# Two runs may define the same table or column. A count needs no widening: BIGINT is NUMBER(38, 0) here. #}
{% macro definitions_of_table(staged, published, held) -%}
    {%- set made = [] -%}
    {%- if not held -%}
        {%- set cluster_by = config.get("cluster_by", ["event_date"]) | join(", ") -%}
        {%- set columns = get_table_columns_and_constraints() -%}
        {%- do made.append("create transient table if not exists " ~ published ~ " " ~ columns ~ " cluster by (" ~ cluster_by ~ ")") -%}
    {%- endif -%}
    {%- for name, column in model.columns.items() if held and name | lower not in held -%}
        {%- do made.append("alter table " ~ published ~ " add column if not exists " ~ name ~ " " ~ column.data_type) -%}
    {%- endfor -%}
    {%- do made.append(alter_relation_comment(published, model.description) | trim | trim(";")) -%}
    {%- set comments = alter_column_comment(staged, model.columns) | trim -%}
    {%- do made.append(comments | replace(staged | string, published | string)) -%}
    {{ return(made) }}
{%- endmacro %}
