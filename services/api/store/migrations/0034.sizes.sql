-- depends: 0033.ladder
-- What the stores took, hour by hour, so that growth can be told.

CREATE TABLE store_sizes (
    at bigint PRIMARY KEY,  -- wall clock
    database_bytes bigint NOT NULL,
    bus_bytes bigint NOT NULL,
    disk_free bigint NOT NULL  -- where the data is kept
);
