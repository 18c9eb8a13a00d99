//! JSON bodies of the API, and their way into and out of the domain.

use poem_openapi::types::Example;
use poem_openapi::{Enum, Object};
use serde::Serialize;
use serde_json::json;
use shared::contract::id::{OrderId, ProductId};
use shared::contract::money::Money;
use shared::contract::time::Timestamp;
use shared::http::json::schema::{self, ObjectSchema};
use shared::http::json::{BodyFields, FromFields, MERGE_PATCH};

use super::text::text;
use crate::domain::{
    Adjustment, Cause, MAX_STOCK, Movement, MovementKind, NewProduct, Product, ProductPatch,
};

/// A product in the catalogue.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "Product", example)]
pub(super) struct ProductBody {
    /// Its id, a UUIDv7.
    id: ProductId,
    /// The name of the product.
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

/// Something that changed the stock of a product, or confirmed it.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "Movement", skip_serializing_if_is_none, example)]
pub(super) struct MovementBody {
    /// Its id: the id of its entry in the stream of movements.
    id: String,
    /// The change of the stock in pieces; negative where pieces left it.
    delta: i64,
    /// Pieces on hand after it.
    balance: u32,
    /// The kind of movement.
    kind: KindBody,
    /// The order that was sold, or whose stock came back. Absent otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    order_id: Option<OrderId>,
    /// The reason, in the words of the operator. Absent where the operator gave no note.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    /// When it happened.
    at: Timestamp,
}

/// What changes a stock.
#[derive(Clone, Copy, Debug, Serialize, Enum)]
#[serde(rename_all = "snake_case")]
#[oai(rename = "MovementKind", rename_all = "snake_case")]
pub(super) enum KindBody {
    /// The product was created with its first stock.
    Created,
    /// Pieces arrived.
    Restock,
    /// An order was sold.
    Sale,
    /// An operator counted the pieces.
    Stocktake,
    /// The stock of an order came back.
    Release,
    /// The product was deleted.
    Deleted,
}

/// Pieces that arrived.
pub(super) struct Restock(pub(super) Adjustment);

/// Pieces that were counted.
pub(super) struct Stocktake(pub(super) Adjustment);

/// Fields that a patch must not name, and what the client is told.
const READ_ONLY: [(&str, &str); 5] = [
    (
        "quantity",
        "use POST /products/{id}/restock or PUT /products/{id}/stock",
    ),
    ("id", "is read-only"),
    ("version", "is read-only"),
    ("created_at", "is read-only"),
    ("updated_at", "is read-only"),
];

impl FromFields for NewProduct {
    fn schema() -> ObjectSchema {
        ObjectSchema::new("NewProduct", "A product to create.")
            .required("name", "The name of the product.", text())
            .required("price", "What one piece costs.", schema::money())
            .required("quantity", "Pieces on hand.", schema::whole(0, MAX_STOCK))
            .example(json!({ "name": "Espresso beans 1 kg", "price": 19.9, "quantity": 42 }))
    }

    fn from_fields(fields: &mut BodyFields<'_>) -> Option<Self> {
        let name = fields.parsed("name");
        let price = fields.number("price");
        let quantity = fields.whole("quantity", 0, MAX_STOCK);
        Some(Self {
            name: name?,
            price: price?,
            quantity: quantity?,
        })
    }
}

impl FromFields for ProductPatch {
    const MEDIA_TYPES: &'static [&'static str] = MERGE_PATCH;

    fn schema() -> ObjectSchema {
        ObjectSchema::new("ProductPatch", "The changes of a product.")
            .patched("name", "Another name.", text())
            .patched("price", "Another price of one piece.", schema::money())
            .example(json!({ "price": 21.5 }))
    }

    fn from_fields(fields: &mut BodyFields<'_>) -> Option<Self> {
        for (field, detail) in READ_ONLY {
            fields.refuse(field, detail);
        }
        let name = fields.patch("name", BodyFields::parsed);
        let price = fields.patch("price", BodyFields::number);
        Some(Self {
            name: name?,
            price: price?,
        })
    }
}

impl FromFields for Restock {
    fn schema() -> ObjectSchema {
        ObjectSchema::new("Restock", "Pieces that arrived.")
            .required(
                "quantity",
                "The number of pieces.",
                schema::whole(1, MAX_STOCK),
            )
            .optional(
                "note",
                "The reason, for people who read the movements.",
                text(),
            )
            .example(json!({ "quantity": 12, "note": "delivery 2026-117" }))
    }

    fn from_fields(fields: &mut BodyFields<'_>) -> Option<Self> {
        adjustment(fields, Cause::Restock, 1).map(Self)
    }
}

impl FromFields for Stocktake {
    fn schema() -> ObjectSchema {
        ObjectSchema::new("Stocktake", "Pieces that were counted.")
            .required(
                "quantity",
                "The number of pieces on hand.",
                schema::whole(0, MAX_STOCK),
            )
            .optional(
                "note",
                "The reason, for people who read the movements.",
                text(),
            )
            .example(json!({ "quantity": 40, "note": "two broken" }))
    }

    fn from_fields(fields: &mut BodyFields<'_>) -> Option<Self> {
        adjustment(fields, Cause::Stocktake, 0).map(Self)
    }
}

fn adjustment(fields: &mut BodyFields<'_>, cause: Cause, least: u32) -> Option<Adjustment> {
    let quantity = fields.whole("quantity", least, MAX_STOCK);
    let note = fields.optional("note", BodyFields::parsed);
    Some(Adjustment {
        cause,
        quantity: quantity?,
        note: note?,
    })
}

impl From<Movement> for MovementBody {
    fn from(movement: Movement) -> Self {
        let Movement {
            id,
            kind,
            delta,
            balance,
            order_id,
            note,
        } = movement;
        Self {
            id: id.to_string(),
            delta,
            balance,
            kind: kind.into(),
            order_id,
            note: note.map(|note| note.as_str().to_owned()),
            at: Timestamp::from_millis(id.ms),
        }
    }
}

impl From<MovementKind> for KindBody {
    fn from(kind: MovementKind) -> Self {
        match kind {
            MovementKind::Created => Self::Created,
            MovementKind::Restock => Self::Restock,
            MovementKind::Sale => Self::Sale,
            MovementKind::Stocktake => Self::Stocktake,
            MovementKind::Release => Self::Release,
            MovementKind::Deleted => Self::Deleted,
        }
    }
}

impl From<Product> for ProductBody {
    fn from(product: Product) -> Self {
        let Product {
            id,
            name,
            price,
            quantity,
            version,
            created_at,
            updated_at,
        } = product;
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

impl Example for ProductBody {
    fn example() -> Self {
        Self {
            id: ProductId::EXAMPLE,
            name: "Espresso beans 1 kg".to_owned(),
            price: Money::from_minor(1_990),
            quantity: 42,
            version: 1,
            created_at: Timestamp::EXAMPLE,
            updated_at: Timestamp::EXAMPLE,
        }
    }
}

impl Example for MovementBody {
    fn example() -> Self {
        Self {
            id: format!("{}-0", Timestamp::EXAMPLE.as_millis()),
            delta: -2,
            balance: 40,
            kind: KindBody::Sale,
            order_id: Some(OrderId::EXAMPLE),
            note: None,
            at: Timestamp::EXAMPLE,
        }
    }
}
