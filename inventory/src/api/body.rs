//! JSON bodies of the API, and their way into and out of the domain.

use poem_openapi::Object;
use poem_openapi::types::Example;
use serde::Serialize;
use shared::id::ProductId;
use shared::json::{BodyFields, FromFields};
use shared::money::Money;
use shared::time::Timestamp;

use crate::domain::{MAX_STOCK, NewProduct, Product};

/// A product in the catalogue.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "Product", example)]
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

/// A product to create.
#[derive(Object)]
#[oai(rename = "NewProduct", example)]
pub struct NewProductSchema {
    /// What it is called: 1 to 200 characters, not only spaces and no control characters.
    #[oai(validator(
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$"
    ))]
    name: String,
    /// What one piece costs: a number, or a string, with at most two decimals.
    price: Money,
    /// Pieces on hand, 0 to 1000000000.
    #[oai(validator(minimum(value = "0"), maximum(value = "1000000000")))]
    quantity: u32,
}

impl FromFields for NewProduct {
    type Schema = NewProductSchema;

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

/// What the product is called in every example.
const NAME: &str = "Espresso beans 1 kg";

impl Example for ProductBody {
    fn example() -> Self {
        Self {
            id: ProductId::EXAMPLE,
            name: NAME.to_owned(),
            price: Money::from_minor(1_990),
            quantity: 42,
            version: 1,
            created_at: Timestamp::EXAMPLE,
            updated_at: Timestamp::EXAMPLE,
        }
    }
}

impl Example for NewProductSchema {
    fn example() -> Self {
        Self { name: NAME.to_owned(), price: Money::from_minor(1_990), quantity: 42 }
    }
}
