"""GoHighLevel contacts (API v2, https://services.leadconnectorhq.com): client, tools, simulator."""
