DROP TABLE store_sizes;
