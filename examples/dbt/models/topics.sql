-- Every run asks about the rows that came since the last one, and pays for these alone.
{{ config(materialized='incremental', unique_key='id') }}

select
    id,
    body,
    ai_filter('Is this a complaint about delivery?', body) as late,
    ai_classify(body, ['delivery', 'billing', 'damage', 'praise', 'question']) as topic
from {{ ref('tickets') }}
{% if is_incremental() %}
where id > (select max(id) from {{ this }})
{% endif %}
