"""Sites and their skills."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import UNSET
from msgspec.structs import asdict, replace

from services.operator_gateway import accounts
from services.operator_gateway.accounts import Rejected
from services.operator_gateway.api.problems import of_rejected
from services.operator_gateway.api.routing import Call
from shared.contracts.control import SiteBody, SiteList, SitePatch, SiteView, SkillBody, SkillList, SkillPatch
from shared.contracts.sites import Membership, Operator, Role, Site, SiteSettings, Skill
from shared.storage.directory_store import Refused, Written

KEY_TRIES = 4  # 2**32 keys, 5,000 sites: a second try is rare already


async def list_sites(call: Call) -> SiteList:
    """Every site that the caller has a role on."""
    sites = call.context.directory.sites().values()
    roles = ((site, accounts.role_on(call.actor, site.site)) for site in sites)
    return SiteList(tuple(_view(call, site, role) for site, role in roles if role is not None))


async def create_site(call: Call) -> SiteView:
    """A new site, with the caller as its admin."""
    body: SiteBody = call.body
    origins = accounts.normal_origins(body.origins)
    if isinstance(origins, Rejected):
        raise of_rejected(origins)
    settings = _settings(SiteSettings(), body.settings)
    new = Site(
        site="s_0000", name=body.name, origins=origins, settings=settings, created_at=call.context.clock.now_ms()
    )
    for _ in range(KEY_TRIES):
        result = await call.context.store.create_site(replace(new, site=accounts.new_site_key()))
        if getattr(result, "code", "") != "stale_version":
            break
    site = await call.stored(result)
    member = Membership(site=site.site, role="admin", primary_skill=site.default_skill)

    def join(operator: Operator) -> Operator | Rejected:
        return accounts.with_membership(operator, member)

    await call.stored(await call.context.store.update_operator(call.actor.operator, join))
    return _view(call, site, "admin")


async def get_site(call: Call) -> SiteView:
    """One site."""
    return _own_view(call, call.site)


async def change_site(call: Call) -> SiteView:
    """Change what the body names."""
    body: SitePatch = call.body

    def change(site: Site) -> Site | Rejected:
        changes: dict[str, object] = {
            name: value for name in ("name", "disabled") if (value := getattr(body, name)) is not UNSET
        }
        if body.origins is not UNSET:
            origins = accounts.normal_origins(body.origins)
            if isinstance(origins, Rejected):
                return origins
            changes["origins"] = origins
        changed = replace(site, settings=_settings(site.settings, body.settings), **changes)
        return changed if body.default_skill is UNSET else accounts.set_default_skill(changed, body.default_skill)

    return _own_view(call, await call.stored(await _update(call, change)))


async def disable_site(call: Call) -> None:
    """Switch the site off: trackers stop, nobody can open it. Its data stays until its retention is over."""
    await call.stored(await _update(call, lambda site: replace(site, disabled=True)))


async def list_skills(call: Call) -> SkillList:
    """The site's skills."""
    return SkillList(call.site.skills, call.site.default_skill)


async def add_skill(call: Call) -> Skill:
    """One skill more."""
    body: SkillBody = call.body
    skill = Skill(body.skill, body.name)
    await call.stored(await _update(call, lambda site: accounts.add_skill(site, skill)))
    return skill


async def rename_skill(call: Call) -> Skill:
    """Another name for a skill; rows show it at once."""
    body: SkillPatch = call.body
    skill = call.request.match_info["skill"]
    await call.stored(await _update(call, lambda site: accounts.rename_skill(site, skill, body.name)))
    return Skill(skill, body.name)


async def remove_skill(call: Call) -> None:
    """Remove a skill that nobody has any more."""
    skill, directory = call.request.match_info["skill"], call.context.directory
    operators = tuple(directory.operators().values())
    await call.stored(await _update(call, lambda site: accounts.remove_skill(site, skill, operators)))


async def _update(call: Call, change: Callable[[Site], Site | Rejected]) -> Written[Site] | Refused | Rejected:
    return await call.context.store.update_site(call.site.site, change, call.expected)


def _settings(old: SiteSettings, patch: object) -> SiteSettings:
    if patch is UNSET:
        return old
    changes = {name: value for name, value in asdict(patch).items() if value is not UNSET}  # type: ignore[arg-type]
    return replace(old, **changes)


def _own_view(call: Call, site: Site) -> SiteView:
    return _view(call, site, accounts.role_on(call.actor, site.site) or "operator")


def _view(call: Call, site: Site, role: Role) -> SiteView:
    collector = call.context.collector_url.rstrip("/")
    return SiteView(
        site=site.site,
        name=site.name,
        origins=site.origins,
        skills=site.skills,
        default_skill=site.default_skill,
        settings=site.settings,
        disabled=site.disabled,
        created_at=site.created_at,
        version=site.version,
        role=role,
        embed=f'<script async src="{collector}/t/v1.js" data-site="{site.site}"></script>' if collector else None,
    )
