"""Microsoft Graph mail as a small web application: same paths, bodies, errors and tokens, state in memory.

    login ------> tokens ----+
                             v
    routes --> operations --> mailbox (items, folders) --> delivery into other mailboxes
                 |
                 +--> listing (filters, keywords, paging) --> rendering (the vendor's message type)

What it covers and what it leaves out is told in docs/reference/providers/msgraph.md.
"""
