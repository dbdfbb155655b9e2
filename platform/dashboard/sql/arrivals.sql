-- What the archive's loaded objects hold, by the date on which they arrived: every line is a row of RAW.LOGS or a bad line.
select
    arrival_date, count(*) as objects, sum(row_count) + sum(bad_lines) as archived, sum(row_count) as raw, sum(bad_lines) as bad_lines
from raw.load_history
where arrival_date >= :first and arrival_date < :end
group by arrival_date
