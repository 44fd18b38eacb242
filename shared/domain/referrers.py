"""Where a visit came from: direct, internal, a search engine, a social network, an AI assistant, a campaign, a website.

A small table that is kept by hand: names change rarely, and what is not in it is called by its host, never guessed.
Read :func:`source_of`.
"""

from __future__ import annotations

import re
from functools import lru_cache

from shared.contracts.rows import Source, SourceKind

MAX_NAME = 64
MAX_REMEMBERED = 4_096  # referrers; the visitors of a website come from some hundreds of places

# Names by host; a host below one of these belongs to it, the longest one wins.
SEARCH = {
    "bing.com": "Bing",
    "duckduckgo.com": "DuckDuckGo",
    "baidu.com": "Baidu",
    "ecosia.org": "Ecosia",
    "search.brave.com": "Brave Search",
    "startpage.com": "Startpage",
    "qwant.com": "Qwant",
    "kagi.com": "Kagi",
    "seznam.cz": "Seznam",
    "search.naver.com": "Naver",
    "sogou.com": "Sogou",
    "so.com": "360 Search",
    "ask.com": "Ask",
    "search.aol.com": "AOL",
    "mojeek.com": "Mojeek",
    "swisscows.com": "Swisscows",
    "metager.de": "MetaGer",
    "presearch.com": "Presearch",
    "search.marginalia.nu": "Marginalia",
}
SOCIAL = {
    "facebook.com": "Facebook",
    "fb.com": "Facebook",
    "instagram.com": "Instagram",
    "threads.net": "Threads",
    "threads.com": "Threads",
    "t.co": "X",
    "twitter.com": "X",
    "x.com": "X",
    "linkedin.com": "LinkedIn",
    "lnkd.in": "LinkedIn",
    "reddit.com": "Reddit",
    "youtube.com": "YouTube",
    "youtu.be": "YouTube",
    "tiktok.com": "TikTok",
    "pinterest.com": "Pinterest",
    "pin.it": "Pinterest",
    "bsky.app": "Bluesky",
    "mastodon.social": "Mastodon",
    "vk.com": "VK",
    "xing.com": "XING",
    "tumblr.com": "Tumblr",
    "quora.com": "Quora",
    "snapchat.com": "Snapchat",
    "weibo.com": "Weibo",
    "web.whatsapp.com": "WhatsApp",
    "web.telegram.org": "Telegram",
    "t.me": "Telegram",
    "discord.com": "Discord",
    "news.ycombinator.com": "Hacker News",
}
ASSISTANTS = {
    "chatgpt.com": "ChatGPT",
    "chat.openai.com": "ChatGPT",
    "claude.ai": "Claude",
    "gemini.google.com": "Gemini",
    "bard.google.com": "Gemini",
    "copilot.microsoft.com": "Copilot",
    "perplexity.ai": "Perplexity",
    "chat.mistral.ai": "Le Chat",
    "chat.deepseek.com": "DeepSeek",
    "grok.com": "Grok",
    "meta.ai": "Meta AI",
    "you.com": "You.com",
    "phind.com": "Phind",
    "poe.com": "Poe",
}
# Engines with a host for each country: the name, and what may stand before it.
_COUNTRIES = re.compile(r"(?:www\.)?(google)\.[a-z.]{2,6}|(?:[a-z-]+\.)*(yandex|yahoo)\.[a-z.]{2,6}")
_MAILS = re.compile(r"mail\.(?:google|yahoo|yandex)\.|(?:outlook|mail)\.")
_NAMES = {"google": "Google", "yandex": "Yandex", "yahoo": "Yahoo"}
_HOST = re.compile(r"https?://(?:[^/?#@]*@)?(\[[^\]]*\]|[^/:?#]+)", re.IGNORECASE)
_TABLES: tuple[tuple[SourceKind, dict[str, str]], ...] = (
    ("ai", ASSISTANTS),
    ("search", SEARCH),
    ("social", SOCIAL),
)


def host_of(address: str) -> str:
    """The host of an http(s) address in lower case; empty if it has none."""
    match = _HOST.match(address)
    return match[1].lower().rstrip(".") if match else ""


@lru_cache(maxsize=MAX_REMEMBERED)
def _known(host: str) -> Source | None:
    """The engine, network or assistant behind a host."""
    for kind, table in _TABLES:
        name = _listed(host, table)
        if name:
            return Source(kind, name)
    engine = None if _MAILS.match(host) else _COUNTRIES.fullmatch(host)
    return Source("search", _NAMES[engine[1] or engine[2]]) if engine else None


def _listed(host: str, table: dict[str, str]) -> str:
    while host:
        if host in table:
            return table[host]
        host = host.partition(".")[2]
    return ""


def source_of(landing: str, referrer: str, campaign: str) -> Source:
    """Where the visit came from that began on `landing`.

    What the landing address says about itself (`campaign`) counts more than the referrer, which browsers shorten and
    leave out; an assistant that names itself as the campaign's source, as ChatGPT does, stays an assistant.
    """
    if campaign:
        named = _known(campaign.lower())
        return named if named is not None else Source("campaign", campaign[:MAX_NAME])
    host = host_of(referrer)
    if not host:
        return Source()
    if _bare(host) == _bare(host_of(landing)):
        return Source("internal")
    return _known(host) or Source("referral", _bare(host)[:MAX_NAME])


def _bare(host: str) -> str:
    return host.removeprefix("www.")
