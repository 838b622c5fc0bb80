-- Rows for the cases that a server measures.
INSERT INTO users (email, name, tag, country, age) SELECT 'user' || i || '@example.com', 'name' || i, 'tag' || i, 'c' || i % 50, 1 + i % 90 FROM generate_series(1, 5000) AS i;
INSERT INTO orders (user_id, ref, state, total, note, price, placed_at) SELECT 1 + i % 5000, 'ref' || i, 'done', i, 'note' || i, i, now() FROM generate_series(1, 5000) AS i;
INSERT INTO order_items (order_id, sku, quantity) SELECT i, 'sku' || i, 1 FROM generate_series(1, 5000) AS i;
INSERT INTO accounts SELECT i, 'owner' || i, i, 'code' || i, '2026-01-01' FROM generate_series(1, 5000) AS i;
INSERT INTO api_keys SELECT i, 'token' || i, 'note' FROM generate_series(1, 5000) AS i;
INSERT INTO audit_log (what) SELECT 'what' || i FROM generate_series(1, 5000) AS i;
INSERT INTO scratchpad SELECT i, 'note' FROM generate_series(1, 5000) AS i;
INSERT INTO events SELECT i, 'kind', '2025-01-01'::date + i % 365 FROM generate_series(1, 5000) AS i;
INSERT INTO events SELECT i, 'kind', '2026-01-01'::date + i % 365 FROM generate_series(1, 5000) AS i;
INSERT INTO events_2027 SELECT i, 'kind', '2027-01-01'::date + i % 365 FROM generate_series(1, 5000) AS i;
INSERT INTO events_2028 SELECT i, 'kind', '2028-01-01'::date + i % 365 FROM generate_series(1, 5000) AS i;
INSERT INTO regions SELECT i, CASE WHEN i % 2 = 0 THEN 'eu' ELSE 'mars' END FROM generate_series(1, 10000) AS i;
INSERT INTO regions_us SELECT i, 'us' FROM generate_series(1, 5000) AS i;
INSERT INTO app.settings SELECT 'key' || i, 'value' FROM generate_series(1, 5000) AS i;
INSERT INTO app.orders SELECT i, 'note' FROM generate_series(1, 5000) AS i;
REFRESH MATERIALIZED VIEW order_totals;
REFRESH MATERIALIZED VIEW user_counts;
ANALYZE;
