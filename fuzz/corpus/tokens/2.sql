EXPLAIN (ANALYZE, VERBOSE off) SELECT E'a\'b', U&"d\0061t", $q$x$q$, -- c
 /* a /* b */ */ 1.5e-3, .5, a.b[1]::numeric(10, 2) !~ '^x' IS DISTINCT FROM 1 FROM generate_series(1, 2) g