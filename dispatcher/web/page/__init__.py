"""The page: what people see and do in a browser, made on the server with Jinja2, made pleasant by htmx.

One file a page (`home.py`, `campaign.py`, …), each with a `routes = page_router()` and functions that ask rooms of
`dispatcher` and `show` a template of the same name; routes hold no rules, templates no logic beyond showing. Every form
works without JavaScript. `routing.py` is what each request passes (session, role, CSRF, language), `show.py` how a
template is filled, `forms.py` what a browser sends. A page is added by its file in `pages.py`.
"""
