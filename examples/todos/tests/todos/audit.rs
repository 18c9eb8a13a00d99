//! Counts effects inside the database. A row of a todo does not show whether a message was applied
//! twice; a trigger that writes down each change of a row does.

use sqlx::postgres::PgPool;
use stack::wait::eventually;

/// The changes of all todos, in the order in which they happened.
pub(crate) struct Audit {
    pool: PgPool,
}

const TRIGGER: &str = "
    CREATE TABLE audit (
        number bigint GENERATED ALWAYS AS IDENTITY, id text NOT NULL, change text NOT NULL
    );
    CREATE FUNCTION write_down() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'DELETE' THEN
            INSERT INTO audit (id, change) VALUES (old.id, 'DELETE');
        ELSE
            INSERT INTO audit (id, change) VALUES (new.id, TG_OP || ' ' || new.title);
        END IF;
        RETURN NULL;
    END $$;
    CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON todos
    FOR EACH ROW EXECUTE FUNCTION write_down();
";

impl Audit {
    /// Begins to write down the changes in this database.
    pub(crate) async fn begin(pool: PgPool) -> Self {
        sqlx::raw_sql(TRIGGER).execute(&pool).await.unwrap();
        Self { pool }
    }

    /// The changes of one todo.
    pub(crate) async fn of(&self, id: &str) -> Vec<String> {
        let changes =
            sqlx::query_scalar("SELECT change FROM audit WHERE id = $1 ORDER BY number").bind(id);
        changes.fetch_all(&self.pool).await.unwrap()
    }

    /// Waits until the todo has had as many changes as expected. They must be these.
    pub(crate) async fn expect(&self, id: &str, expected: &[String]) {
        eventually("the last change", async || {
            self.of(id).await.len() >= expected.len()
        })
        .await;
        assert_eq!(self.of(id).await, expected);
    }

    /// The number of all changes.
    pub(crate) async fn count(&self) -> i64 {
        let count = sqlx::query_scalar("SELECT count(*) FROM audit");
        count.fetch_one(&self.pool).await.unwrap()
    }
}
