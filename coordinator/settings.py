"""Settings, read once and strictly: environment variables with the prefix PATHWAY_, or a file named .env."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from pathway.calendar import zone_named
from pathway.errors import PathwayError

ADDRESS = r"^(\[[0-9a-fA-F:]+\]|[^:\s]+):\d{1,5}$"
TIME = r"^([01]\d|2[0-3]):[0-5]\d$"


# Never shown: they are, or hold, passwords and tokens.
SECRET = ("database", "smtp_password", "webhook_secret", "apprise", "oidc_secret")


class SettingsFaulty(PathwayError):
    """A setting cannot be used; nothing was started."""


class Settings(BaseSettings):
    """What a site decides. Every variable is named in docs/settings.md."""

    model_config = SettingsConfigDict(env_prefix="PATHWAY_", env_file=".env", extra="forbid", frozen=True)

    database: str = Field(default="sqlite:///pathway.db", repr=False)
    zone: str = "Europe/London"
    profile: str = "default"
    owner: str = "Coordination desk"
    batch: int = Field(default=200, ge=1, le=5000)

    smtp_host: str = ""
    smtp_port: int = Field(default=25, ge=1, le=65535)
    smtp_security: Literal["none", "starttls", "tls"] = "none"
    smtp_user: str = ""
    smtp_password: str = Field(default="", repr=False)
    smtp_from: str = "pathway@localhost"
    outbox_log: Path | None = None
    webhook_url: str = ""
    webhook_secret: str = Field(default="", repr=False)
    apprise: dict[str, str] = Field(default={}, repr=False)
    detail_channels: tuple[str, ...] = ()
    urgent_only: tuple[str, ...] = ()
    templates: Path | None = None

    quiet_from: str = Field(default="20:00", pattern=TIME)
    quiet_until: str = Field(default="07:00", pattern=TIME)
    workdays: str = "mon-fri"
    holidays: str = ""
    daily_cap: int = Field(default=40, ge=1)
    patient_messages: bool = False
    service_phone: str = ""
    patient_weekly_cap: int = Field(default=2, ge=1)

    settle_seconds: int = Field(default=60, ge=1)
    deliver_seconds: int = Field(default=60, ge=1)
    digest_time: str = Field(default="07:15", pattern=TIME)
    nightly_time: str = Field(default="02:30", pattern=TIME)

    web_address: str = Field(default="127.0.0.1:8000", pattern=ADDRESS)
    web_url: str = Field(default="", pattern=r"^(https?://[^/\s]+)?$")
    idle_minutes: int = Field(default=15, ge=1, le=240)
    language: str = Field(default="en", pattern=r"^[a-z]{2,3}(_[A-Z]{2})?$")
    oidc_issuer: str = Field(default="", pattern=r"^(https?://\S+)?$")
    oidc_client: str = ""
    oidc_secret: str = Field(default="", repr=False)
    oidc_name: str = "Hospital sign-in"
    capacity: int = Field(default=0, ge=0)

    api_per_minute: int = Field(default=600, ge=1)
    event_detail: bool = False
    cds_issuers: dict[str, str] = {}
    cds_origins: tuple[str, ...] = ()
    cds_identifier: str = ""

    health_address: str = ""
    log_format: Literal["text", "json"] = "text"

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        zone_named(value)
        return value


def read_settings(database: str | None = None) -> Settings:
    """The settings of the environment, with the database of the command line on top; raises SettingsFaulty."""
    try:
        return Settings() if database is None else Settings(database=database)
    except ValidationError as error:
        # The chain would show what was found, and a setting may be a password.
        raise SettingsFaulty(*(_fault(fault) for fault in error.errors())) from None
    except SettingsError as error:
        raise SettingsFaulty(f"{error}; expected JSON for a list or a mapping") from None
    except PathwayError as error:
        raise SettingsFaulty(f"PATHWAY_ZONE: {error}") from error


def _fault(fault: Any) -> str:
    name = str(fault["loc"][0])
    found = "" if name in SECRET else f" (found {fault['input']!r})"
    return f"PATHWAY_{name.upper()}: {fault['msg']}{found}"
