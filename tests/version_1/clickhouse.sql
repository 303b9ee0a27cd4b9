-- ClickHouse as Vitrina 0.1.0 left it after a batch: its tables, and a few rows in each.
CREATE TABLE sales_by_region_product (
    import_date Date32,
    imported_at DateTime64(3, 'UTC'),
    region LowCardinality(String),
    product_id Int32,
    total_sales Int64,
    total_quantity Int64,
    total_sales_amount Decimal(22, 2),
    average_sale_amount Decimal(12, 2),
    sales_rank Int32,
    share Decimal(7, 6),
    running_share Decimal(7, 6),
    abc_class LowCardinality(String)
) ENGINE = MergeTree PARTITION BY import_date ORDER BY (import_date, region, product_id);
CREATE TABLE sales_by_region (
    import_date Date32,
    imported_at DateTime64(3, 'UTC'),
    region LowCardinality(String),
    total_sales Int64,
    total_quantity Int64,
    total_sales_amount Decimal(22, 2),
    average_sale_amount Decimal(12, 2),
    share Decimal(7, 6),
    sales_rank Int32
) ENGINE = MergeTree PARTITION BY import_date ORDER BY (import_date, region);
CREATE TABLE sales_by_product (
    import_date Date32,
    imported_at DateTime64(3, 'UTC'),
    product_id Int32,
    total_sales Int64,
    total_quantity Int64,
    total_sales_amount Decimal(22, 2),
    average_sale_amount Decimal(12, 2),
    share Decimal(7, 6),
    sales_rank Int32
) ENGINE = MergeTree PARTITION BY import_date ORDER BY (import_date, product_id);
CREATE TABLE sales_by_day (
    import_date Date32,
    imported_at DateTime64(3, 'UTC'),
    sale_date Date32,
    region LowCardinality(String),
    total_sales Int64,
    total_sales_amount Decimal(22, 2),
    average_sale_amount Nullable(Decimal(12, 2)),
    moving_average_7_days Nullable(Decimal(22, 2)),
    change_from_week_before Nullable(Decimal(18, 6))
) ENGINE = MergeTree PARTITION BY import_date ORDER BY (import_date, sale_date, region);
CREATE TABLE control_totals (
    import_date Date32,
    imported_at DateTime64(3, 'UTC'),
    engine LowCardinality(String),
    table_name LowCardinality(String),
    total_sales Int64,
    total_quantity Nullable(Int64),
    total_sales_amount Decimal(22, 2)
) ENGINE = MergeTree PARTITION BY import_date ORDER BY (import_date, table_name, engine);
CREATE TABLE rejects_by_reason (
    import_date Date32,
    imported_at DateTime64(3, 'UTC'),
    reason LowCardinality(String),
    rejected_rows Int64
) ENGINE = MergeTree PARTITION BY import_date ORDER BY (import_date, reason);
CREATE TABLE batch (
    import_date Date32,
    imported_at DateTime64(3, 'UTC'),
    source String,
    seed Nullable(Int64),
    rows_in Int64,
    clean Int64,
    rejected Int64,
    repaired Int64,
    collapsed Int64,
    total_sales_amount Decimal(22, 2),
    started_at DateTime64(3, 'UTC'),
    loaded_at DateTime64(3, 'UTC')
) ENGINE = MergeTree PARTITION BY import_date ORDER BY (import_date);
INSERT INTO sales_by_region VALUES
    ('2026-11-17', '2026-11-17 09:48:00', 'North', 1, 2, 19.98, 19.98, 0.666667, 1),
    ('2026-11-17', '2026-11-17 09:48:00', 'West', 1, 1, 9.99, 9.99, 0.333333, 2);
INSERT INTO control_totals VALUES
    ('2026-11-17', '2026-11-17 09:48:00', 'spark', 'sale', 2, 3, 29.97),
    ('2026-11-17', '2026-11-17 09:48:00', 'clickhouse', 'sales_by_day', 2, NULL, 29.97);
INSERT INTO rejects_by_reason VALUES
    ('2026-11-17', '2026-11-17 09:48:00', 'quantity_missing', 2);
INSERT INTO batch VALUES
    ('2026-11-17', '2026-11-17 09:48:00', 'orders.csv', NULL, 5, 2, 2, 1, 1, 29.97,
     '2026-11-17 09:45:00', '2026-11-17 09:46:00');
