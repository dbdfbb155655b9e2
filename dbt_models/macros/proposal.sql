{#
    What a run builds on Snowflake is a proposal: it stands in the schema STAGED, under names that end with the proposal's token, until
    platform/resources/snowflake/proposal.py publishes all of it, or drops it. Of each model that the run builds there are

    <MODEL>__<TOKEN>          a table of the rows of the run's dates; none of a model that is a view
    <MODEL>__<TOKEN>_WHOLE    a view of the published rows of all other dates, and these

    and of all together DEFINITIONS__<TOKEN>: the statements that make tables, columns, comments and views as the models now have them.
    They are executed when the run is published, since nothing that is published may change before. FINGERPRINTS__<TOKEN> tells by model
    and date what was staged from what is published; of a view it has what the view selects.

    What runs in the same invocation, models and tests, reads the view of each model that the invocation builds. Live views outlive the
    run and read what is published. The embedded engine has its own way (the usual names mean the staged rows); nothing here touches it.
#}
{% macro ref() -%}
    {{ return(as_seen_by_run(builtins.ref(*varargs, **kwargs))) }}
{%- endmacro %}

{% macro as_seen_by_run(relation) -%}
    {{ return(adapter.dispatch("as_seen_by_run")(relation)) }}
{%- endmacro %}

{% macro default__as_seen_by_run(relation) -%}
    {{ return(relation) }}
{%- endmacro %}

{% macro snowflake__as_seen_by_run(relation) -%}
    {%- if is_staged("model." ~ project_name ~ "." ~ relation.identifier) and model.config.schema != "events_live" -%}
        {{ return(staged_relation(relation, "_whole")) }}
    {%- endif -%}
    {{ return(relation) }}
{%- endmacro %}

{# Whether this invocation stages a node; exposures, which it may have selected too, are none. Parsing does not ask: what dbt has
    parsed serves any proposal. #}
{% macro is_staged(unique_id) -%}
    {{ return(
        execute and proposal() and unique_id in selected_resources and unique_id in graph.nodes
        and graph.nodes[unique_id].config.schema in ["events", "stats"]
    ) }}
{%- endmacro %}

{# The token of the proposal that this invocation builds; empty where dbt is run by hand. #}
{% macro proposal() -%}
    {{ return(env_var("PROPOSAL_TOKEN", "")) }}
{%- endmacro %}

{% macro staged_relation(relation, suffix="") -%}
    {{ return(api.Relation.create(
        database=relation.database,
        schema="staged",
        identifier=relation.identifier ~ "__" ~ proposal() ~ suffix,
        type="view" if suffix else "table",
    )) }}
{%- endmacro %}

{# Statements about published relations, to be executed in this order when the model is published, those of tables before those of views. #}
{% macro define_when_published(kind, statements) -%}
    {%- call statement("define") -%}
        insert into {{ this.database }}.staged.definitions__{{ proposal() }} (kind, model, relation, position, statement) values
        {%- for sql in statements %}
        ('{{ kind }}', '{{ this.identifier }}', '{{ this.schema }}.{{ this.identifier }}', {{ loop.index }}, '{{ in_quotes(sql | trim) }}')
        {{- "," if not loop.last }}
        {%- endfor %}
    {%- endcall -%}
{%- endmacro %}

{% macro in_quotes(text) -%}
    {{ return(text | replace("\\", "\\\\") | replace("'", "\\'")) }}
{%- endmacro %}

{#
    By date the number of rows and, by column, a digest of all (row key, value), whatever their order: what changed between two builds is
    told by comparing these. platform/resources/snowflake/fingerprints.py makes the same of published rows.
#}
{% macro note_fingerprints(staged) -%}
    {%- set key = config.require("unique_key") | join(", ") -%}
    {%- call statement("fingerprints") -%}
        insert into {{ this.database }}.staged.fingerprints__{{ proposal() }} (model, event_date, row_count, digests)
        select
            '{{ this.identifier }}',
            event_date,
            count(*),
            '{'
            {%- for name in model.columns %}
            || '"{{ name }}": "' || cast(sum(cast(hash(hash(_row_key, {{ name }})) as number(38, 0))) as varchar) || '"{{ ", " if not loop.last }}'
            {%- endfor %}
            || '}'
        from (select *, hash({{ key }}) as _row_key from {{ staged }}) as keyed
        group by event_date
    {%- endcall -%}
{%- endmacro %}

{# A view has no rows of its own: what it selects is what can change. #}
{% macro note_definition(select_sql) -%}
    {%- call statement("definition") -%}
        insert into {{ this.database }}.staged.fingerprints__{{ proposal() }} (model, digests) values
        ('{{ this.identifier }}', '{{ in_quotes(with_published_names(select_sql) | trim) }}')
    {%- endcall -%}
{%- endmacro %}

{# Refuse to build by date what nobody would publish: `given` says where the run's proposal is, on either engine. #}
{% macro only_in_a_proposal(given) -%}
    {%- if not given or not invocation_args_dict.get("event_time_start") -%}
        {{ exceptions.raise_compiler_error(
            "models are built by the platform, which publishes them whole: make replay FROM=... TO=..., or a backfill in Dagster"
        ) }}
    {%- endif -%}
    {%- if not config.get("contract").enforced -%}
        {{ exceptions.raise_compiler_error("a model of materialization 'replace_partitions' needs an enforced contract") }}
    {%- endif -%}
{%- endmacro %}
