"""The pages: one module for each noun of the menu."""

from starlette.routing import Route

from roomkeeper.web import numbers
from roomkeeper.web.pages import (
    accounted,
    actions,
    automations,
    configuration,
    events,
    now,
    recipes,
    runs,
    search,
    secrets,
    week,
)
from roomkeeper.web.rendering import deed, download, page

numbers.known()
ROUTES: list[Route] = [
    *page("/", now.view),
    *page("/runs", runs.index),
    *page("/runs/retry", runs.ask_many),
    deed("/runs/retry", runs.order_many),
    *page("/runs/{number:number}", runs.one),
    download("/runs/{number:number}/report.csv", runs.report),
    *page("/runs/{number:number}/{order}", runs.ask),
    deed("/runs/{number:number}/{order}", runs.order),
    *page("/events", events.index),
    *page("/events/{number:number}", events.one),
    *page("/events/{number:number}/{order}", events.ask),
    deed("/events/{number:number}/{order}", events.order),
    *page("/automations", automations.index),
    *page("/automations/{name}", automations.one),
    *page("/automations/{name}/{order}", automations.ask),
    deed("/automations/{name}/{order}", automations.order),
    *page("/recipes", recipes.index),
    *page("/recipes/{name}", recipes.one),
    deed("/recipes/{name}", recipes.use),
    *page("/configuration", configuration.view),
    download("/configuration/words", configuration.known_words),
    deed("/configuration", configuration.order, most=configuration.LARGEST),
    *page("/secrets", secrets.view),
    deed("/secrets", secrets.put),
    *page("/reload", configuration.ask_reload),
    deed("/reload", configuration.reload),
    *page("/accounted", accounted.view),
    deed("/accounted", accounted.order),
    download("/accounted/{digest}/proof.html", accounted.page),
    download("/accounted/{digest}/proof.csv", accounted.lines),
    *page("/actions", actions.view),
    *page("/search", search.view),
    *page("/week", week.view),
]
