{#
    Views on Snowflake. One that belongs to the models of a run (events.pageviews) is staged with them (macros/proposal.sql) and written
    anew when they are published: a view of all columns of a table is refused once the table has gained one. All others are written by
    dbt-snowflake's own macros, as its own materialization does.
#}
{% materialization view, adapter="snowflake" %}
    {%- if is_staged(model.unique_id) -%}
        {{ run_hooks(pre_hooks) }}
        {%- set whole = staged_relation(this, "_whole") -%}
        {%- set create_whole = snowflake__create_view_as(whole, sql) -%}
        {%- call statement("main") -%}
            {{ create_whole }}
        {%- endcall -%}
        {{ note_definition(sql) }}
        {%- set published = this.incorporate(type="view") -%}
        {{ define_when_published("view", [
            with_published_names(create_whole) | trim | trim(";"), alter_relation_comment(published, model.description) | trim | trim(";")
        ]) }}
        {{ run_hooks(post_hooks) }}
        {{ return({"relations": [published]}) }}
    {%- else -%}
        {%- set made = snowflake__create_or_replace_view() -%}
        {%- do persist_docs(this.incorporate(type="view"), model, for_columns=false) -%}
        {{ return(made) }}
    {%- endif -%}
{% endmaterialization %}

{# A statement about relations of this run with the names that they have once it is published. #}
{% macro with_published_names(statement) -%}
    {%- set named = namespace(sql=statement) -%}
    {%- for unique_id in selected_resources if is_staged(unique_id) -%}
        {%- set node = graph.nodes[unique_id] -%}
        {%- set published = api.Relation.create(database=node.database, schema=node.schema, identifier=node.alias) -%}
        {%- set named.sql = named.sql | replace(staged_relation(published, "_whole") | string, published | string) -%}
    {%- endfor -%}
    {{ return(named.sql) }}
{%- endmacro %}
