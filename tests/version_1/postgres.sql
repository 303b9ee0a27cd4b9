-- PostgreSQL as Vitrina 0.1.0 left it after a batch: its tables, and a few rows in each.
CREATE SCHEMA vitrina;
SET search_path = vitrina;

CREATE TABLE sale (
    sale_id bigint NOT NULL,
    customer_id integer NOT NULL,
    product_id integer NOT NULL,
    quantity integer NOT NULL,
    sale_date date NOT NULL,
    sale_amount numeric(12,2) NOT NULL,
    region text NOT NULL
) PARTITION BY LIST (sale_date);
CREATE TABLE sales_by_region_product (
    region text NOT NULL,
    product_id integer NOT NULL,
    total_sales bigint NOT NULL,
    total_quantity bigint NOT NULL,
    total_sales_amount numeric(22,2) NOT NULL,
    average_sale_amount numeric(12,2) NOT NULL,
    sales_rank integer NOT NULL,
    share numeric(7,6) NOT NULL,
    running_share numeric(7,6) NOT NULL,
    abc_class text NOT NULL,
    PRIMARY KEY (region, product_id)
);
CREATE TABLE sales_by_region (
    region text NOT NULL,
    total_sales bigint NOT NULL,
    total_quantity bigint NOT NULL,
    total_sales_amount numeric(22,2) NOT NULL,
    average_sale_amount numeric(12,2) NOT NULL,
    share numeric(7,6) NOT NULL,
    sales_rank integer NOT NULL,
    PRIMARY KEY (region)
);
CREATE TABLE sales_by_product (
    product_id integer NOT NULL,
    total_sales bigint NOT NULL,
    total_quantity bigint NOT NULL,
    total_sales_amount numeric(22,2) NOT NULL,
    average_sale_amount numeric(12,2) NOT NULL,
    share numeric(7,6) NOT NULL,
    sales_rank integer NOT NULL,
    PRIMARY KEY (product_id)
);
CREATE TABLE sales_by_day (
    sale_date date NOT NULL,
    region text NOT NULL,
    total_sales bigint NOT NULL,
    total_sales_amount numeric(22,2) NOT NULL,
    average_sale_amount numeric(12,2),
    moving_average_7_days numeric(22,2),
    change_from_week_before numeric(18,6),
    PRIMARY KEY (sale_date, region)
);
CREATE TABLE batch (
    as_of date NOT NULL,
    source text NOT NULL,
    seed bigint,
    rows_in bigint NOT NULL,
    clean bigint NOT NULL,
    rejected bigint NOT NULL,
    repaired bigint NOT NULL,
    collapsed bigint NOT NULL,
    total_sales_amount numeric NOT NULL,
    started_at timestamp with time zone NOT NULL,
    loaded_at timestamp with time zone NOT NULL,
    analyzed_at timestamp with time zone,
    published_at timestamp with time zone,
    is_current boolean NOT NULL,
    PRIMARY KEY (as_of),
    EXCLUDE (is_current WITH =) WHERE (is_current)
);
CREATE TABLE batch_reject (
    as_of date NOT NULL,
    reason text NOT NULL,
    rejected_rows bigint NOT NULL,
    PRIMARY KEY (as_of, reason),
    FOREIGN KEY (as_of) REFERENCES batch ON DELETE CASCADE
);
CREATE TABLE control_total (
    as_of date NOT NULL,
    engine text NOT NULL,
    table_name text NOT NULL,
    total_sales bigint NOT NULL,
    total_quantity bigint,
    total_sales_amount numeric NOT NULL,
    PRIMARY KEY (as_of, engine, table_name),
    FOREIGN KEY (as_of) REFERENCES batch ON DELETE CASCADE
);

CREATE TABLE sale_20261117_0123abcd (LIKE sale);
INSERT INTO sale_20261117_0123abcd VALUES
    (1, 7, 3, 2, '2026-11-16', 19.98, 'North'),
    (2, 8, 3, 1, '2026-11-15', 9.99, 'West');
ALTER TABLE sale_20261117_0123abcd ADD PRIMARY KEY (sale_id);
ALTER TABLE sale ATTACH PARTITION sale_20261117_0123abcd DEFAULT;
INSERT INTO sales_by_region VALUES
    ('North', 1, 2, 19.98, 19.98, 0.666667, 1),
    ('West', 1, 1, 9.99, 9.99, 0.333333, 2);
INSERT INTO batch VALUES
    ('2026-11-10', 'generated', 42, 5, 4, 1, 0, 0, 39.96,
     '2026-11-10 09:45:00Z', '2026-11-10 09:46:00Z', '2026-11-10 09:47:00Z', NULL, false),
    ('2026-11-17', 'orders.csv', NULL, 5, 2, 2, 1, 1, 29.97,
     '2026-11-17 09:45:00Z', '2026-11-17 09:46:00Z', '2026-11-17 09:47:00Z',
     '2026-11-17 09:48:00Z', true);
INSERT INTO batch_reject VALUES
    ('2026-11-10', 'region_unknown', 1),
    ('2026-11-17', 'quantity_missing', 2),
    ('2026-11-17', 'region_unknown', 1);
INSERT INTO control_total VALUES
    ('2026-11-17', 'spark', 'sale', 2, 3, 29.97),
    ('2026-11-17', 'postgresql', 'sale', 2, 3, 29.97),
    ('2026-11-17', 'clickhouse', 'sales_by_day', 2, NULL, 29.97);
