-- The first date that is modelled, as one row: views that are written once read it here, whenever it changes.

select {{ first_date() }} as event_date
