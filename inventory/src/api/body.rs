//! JSON bodies of the API, and their way into and out of the domain.

use poem_openapi::Object;
use serde::Serialize;
use serde_json::json;
use shared::id::ProductId;
use shared::json::schema::{self, ObjectSchema};
use shared::json::{BodyFields, FromFields};
use shared::money::Money;
use shared::time::Timestamp;

use crate::domain::{MAX_NAME_CHARS, MAX_STOCK, NewProduct, Product};

/// What [`ProductName`](crate::domain::ProductName) takes: no control characters, and one that is
/// not white space.
const NAME_PATTERN: &str = concat!(
    r"^[^\x00-\x1f\x7f-\x9f]*",
    r"[^\x00-\x20\x7f-\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]",
    r"[^\x00-\x1f\x7f-\x9f]*$",
);

/// A product in the catalogue.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "Product")]
pub(super) struct ProductBody {
    /// Its id, a UUIDv7.
    id: ProductId,
    /// What it is called.
    name: String,
    /// What one piece costs, exact to the cent.
    price: Money,
    /// Pieces on hand.
    quantity: u32,
    /// Counts its changes, from 1.
    version: u64,
    /// When it was created.
    created_at: Timestamp,
    /// When it last changed.
    updated_at: Timestamp,
}

impl FromFields for NewProduct {
    fn schema() -> ObjectSchema {
        let name = schema::text(MAX_NAME_CHARS, NAME_PATTERN);
        ObjectSchema::new("NewProduct", "A product to create.")
            .required("name", "What it is called.", name)
            .required("price", "What one piece costs.", schema::money())
            .required("quantity", "Pieces on hand.", schema::whole(0, MAX_STOCK))
            .example(json!({ "name": "Espresso beans 1 kg", "price": 19.9, "quantity": 42 }))
    }

    fn from_fields(fields: &mut BodyFields) -> Option<Self> {
        let name = fields.parsed("name");
        let price = fields.number("price");
        let quantity = fields.whole("quantity", 0, MAX_STOCK);
        Some(Self { name: name?, price: price?, quantity: quantity? })
    }
}

impl From<Product> for ProductBody {
    fn from(product: Product) -> Self {
        let Product { id, name, price, quantity, version, created_at, updated_at } = product;
        Self {
            id,
            name: name.as_str().to_owned(),
            price,
            quantity,
            version,
            created_at,
            updated_at,
        }
    }
}
