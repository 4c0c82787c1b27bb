// Package contract holds Waybill to what other people's code says: the providers' own libraries sign and verify, Tink
// opens what we seal, stripe-mock judges our calls. It is a module of its own, so that none of them becomes a dependency
// of the product.
package contract
