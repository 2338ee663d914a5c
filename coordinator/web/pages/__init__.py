"""The pages, a router each."""

from coordinator.web.pages import reminders, selected, sign_in, today

ROUTERS = (sign_in.router, today.router, selected.router, reminders.router)
