"""Microsoft Graph mail: client, tools and a simulator that speaks the vendor's wire protocol."""
