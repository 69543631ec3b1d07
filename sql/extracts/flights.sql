-- Flights that left New York in 2013, with what is known one hour before departure.
--
-- grain:     one row per flight that arrived; cancelled and diverted flights have no arrival
-- key:       time_hour, carrier, flight
-- label:     late: arrived 15 minutes or more after schedule
-- cutoff:    an hour before the scheduled hour: schedule, plane and the weather then; not
--            dep_time, dep_delay, arr_time or air_time, which are known only afterwards
-- row order: by key (added by Plumbline)

SELECT
    f.time_hour,
    f.carrier,
    f.flight,
    f.arr_delay >= 15                                   AS late,
    f.origin,
    f.dest,
    f.distance,
    extract(isodow FROM make_date(f.year, f.month, f.day))::smallint AS weekday,
    f.hour,
    f.minute,
    (f.sched_arr_time / 100)::smallint                  AS arrival_hour,
    f.year - p.year                                     AS plane_age,
    p.manufacturer,
    p.engine,
    p.seats,
    w.temp,
    w.dewp,
    w.humid,
    w.wind_dir,
    w.wind_speed,
    w.wind_gust,
    w.precip,
    w.pressure,
    w.visib
FROM nycflights13.flights AS f
LEFT JOIN nycflights13.planes AS p ON p.tailnum = f.tailnum
LEFT JOIN nycflights13.weather AS w
    ON w.origin = f.origin AND w.time_hour = f.time_hour - interval '1 hour'
WHERE f.arr_delay IS NOT NULL
  AND f.time_hour < :as_of
