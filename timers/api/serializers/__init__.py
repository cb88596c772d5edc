"""Documents of the native API: how they are written, and how the OpenAPI document describes them."""
