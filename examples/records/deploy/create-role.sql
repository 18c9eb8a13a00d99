-- Runs once, when the image of the database makes its files. The service gets a role without further
-- rights, which owns its database.
\set password `cat /secrets/records-password`
CREATE ROLE records LOGIN PASSWORD :'password';
CREATE DATABASE records OWNER records;
REVOKE CONNECT ON DATABASE postgres FROM PUBLIC;
