"""Bodies and answers of the gateway's HTTP API (`/api/v1`).

Strict at this edge: a field that nobody knows is refused, so a misspelt one is an error and not silence. In a patch a
field that is left out stays as it is. Read :class:`SiteView` and :class:`OperatorView` first.
"""

from __future__ import annotations

from typing import Annotated, TypeVar, get_type_hints

from msgspec import UNSET, Meta, Struct, UnsetType, defstruct, structs

from shared.contracts.ids import Email, OperatorId, SiteKey, SkillId
from shared.contracts.sites import Membership, Role, SiteSettings, Skill

MAX_BODY_BYTES = 64 * 1024
MAX_PAGE = 500

# Something to see, and nothing that controls a terminal or turns the direction of the text around it.
_CONTROLS = r"\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069"
Label = Annotated[
    str, Meta(min_length=1, max_length=120, pattern=rf"^[^{_CONTROLS}]*[^\s{_CONTROLS}][^{_CONTROLS}]*$(?!\n)")
]
NewPassword = Annotated[str, Meta(min_length=10, max_length=256)]
AnyPassword = Annotated[str, Meta(min_length=1, max_length=256)]
OriginText = Annotated[str, Meta(min_length=8, max_length=255)]  # its form is looked at when it is made canonical
Origins = Annotated[tuple[OriginText, ...], Meta(max_length=50)]
SecondarySkills = Annotated[tuple[SkillId, ...], Meta(max_length=50)]
ChatLimit = Annotated[int, Meta(ge=0, le=50)]
S = TypeVar("S", bound=Struct)


# --- logins -------------------------------------------------------------------------------------------------------


class LoginBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Who wants to log in."""

    email: Annotated[str, Meta(min_length=1, max_length=254)]
    password: AnyPassword


class Account(Struct, frozen=True):
    """The operator who is logged in. `owner`: may create sites and manage every account."""

    id: str
    name: str
    email: str
    owner: bool


class LoginAnswer(Struct, frozen=True):
    """A login. `token` goes into `Authorization: Bearer` or a socket's `auth`; browsers have the cookie too."""

    token: str
    expires_at: int
    operator: Account
    csrf: str


class Attribution(Struct, frozen=True, omit_defaults=True):
    """Whose country data is used, to be shown where countries are."""

    attribution: str
    date: str | None = None


class MySite(Struct, frozen=True):
    """A site that the operator works on."""

    site: str
    name: str
    role: Role
    skills: tuple[Skill, ...]
    default_skill: str
    primary_skill: str
    secondary_skills: tuple[str, ...]
    max_chats: int


class Me(Struct, frozen=True, omit_defaults=True):
    """Who is logged in. `token` (with the cookie only) opens one socket within a minute."""

    operator: Account
    sites: tuple[MySite, ...]
    csrf: str
    expires_at: int
    collector_url: str
    token: str | None = None
    geoip: Attribution | None = None


class MePatch(Struct, frozen=True, forbid_unknown_fields=True):
    """What operators change of themselves."""

    name: Label


class PasswordChange(Struct, frozen=True, forbid_unknown_fields=True):
    """Another password of one's own. All other logins end; the answer is a new one."""

    password: AnyPassword
    new_password: NewPassword


# --- sites and skills ---------------------------------------------------------------------------------------------


class SiteView(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A site and what its caller may do there. `embed` is what its pages contain."""

    site: str
    name: str
    origins: tuple[str, ...]
    skills: tuple[Skill, ...]
    default_skill: str
    settings: SiteSettings
    disabled: bool
    created_at: int
    version: int
    role: Role
    embed: str | None = None


class SiteList(Struct, frozen=True):
    """The sites that the caller may see."""

    items: tuple[SiteView, ...]


def patch_of(struct: type[S]) -> type[S]:
    """The struct with every field optional: what a PATCH of it may say."""
    hints = get_type_hints(struct, include_extras=True)
    fields = [(f.name, hints[f.name] | UnsetType, UNSET) for f in structs.fields(struct)]
    made = defstruct(
        f"{struct.__name__}Patch", fields, module=__name__, frozen=True, kw_only=True, forbid_unknown_fields=True
    )
    made.__doc__ = f"A change of {struct.__name__}: what is left out stays."
    return made  # type: ignore[return-value]  # has the same fields, each with one more value


SiteSettingsPatch = patch_of(SiteSettings)


class SiteBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new site. Its creator becomes its admin."""

    name: Label
    origins: Origins = ()
    settings: SiteSettingsPatch | UnsetType = UNSET  # type: ignore[valid-type]  # made above


class SitePatch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A change of a site."""

    name: Label | UnsetType = UNSET
    origins: Origins | UnsetType = UNSET
    default_skill: SkillId | UnsetType = UNSET
    settings: SiteSettingsPatch | UnsetType = UNSET  # type: ignore[valid-type]
    disabled: bool | UnsetType = UNSET


class SkillBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A new skill. The id stays for ever, the name may change."""

    skill: SkillId
    name: Label


class SkillPatch(Struct, frozen=True, forbid_unknown_fields=True):
    """Another name of a skill."""

    name: Label


class SkillList(Struct, frozen=True):
    """A site's skills."""

    items: tuple[Skill, ...]
    default_skill: str


# --- operators of a site ------------------------------------------------------------------------------------------


class OperatorView(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An operator as one site sees it. `email` and `disabled` are for supervisors and admins."""

    id: str
    name: str
    role: Role
    primary_skill: str
    secondary_skills: tuple[str, ...]
    max_chats: int
    version: int
    email: str | None = None
    disabled: bool | None = None
    owner: bool | None = None


class OperatorList(Struct, frozen=True, omit_defaults=True):
    """A page of a site's operators, by id; `next` goes into `after` for the following one."""

    items: tuple[OperatorView, ...]
    next: str | None = None


class OperatorQuery(Struct, frozen=True):
    """Which page."""

    after: Annotated[str, Meta(max_length=34)] = ""
    limit: Annotated[int, Meta(ge=1, le=MAX_PAGE)] = 100


class OperatorBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A person for the site. Without `password` one is made and stands in the answer, once."""

    email: Email
    name: Label
    password: NewPassword | None = None
    role: Role = "operator"
    primary_skill: SkillId | None = None
    secondary_skills: SecondarySkills = ()
    max_chats: ChatLimit = 3


class OperatorPatch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A change of an operator: rights on this site, and (`name`, `email`, `disabled`) the account itself."""

    role: Role | UnsetType = UNSET
    primary_skill: SkillId | UnsetType = UNSET
    secondary_skills: SecondarySkills | UnsetType = UNSET
    max_chats: ChatLimit | UnsetType = UNSET
    name: Label | UnsetType = UNSET
    email: Email | UnsetType = UNSET
    disabled: bool | UnsetType = UNSET


class OperatorMade(Struct, frozen=True, omit_defaults=True):
    """A new operator. `password` only if it was made here: it is shown this once."""

    operator: OperatorView
    password: str | None = None


class PasswordReset(Struct, frozen=True, forbid_unknown_fields=True):
    """Another password for an operator; without one it is made and stands in the answer, once."""

    password: NewPassword | None = None


class PasswordMade(Struct, frozen=True, omit_defaults=True):
    """The password is another one now; every login of the operator has ended."""

    password: str | None = None


PATH_TYPES = {"site": SiteKey, "skill": SkillId, "operator": OperatorId}
MEMBERSHIP_FIELDS = tuple(f.name for f in structs.fields(Membership) if f.name != "site")
