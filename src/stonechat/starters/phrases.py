"""What people write in sample messages: short phrases by language, with the share of people who speak it."""

# ruff: noqa: RUF001 - full-width punctuation is how these languages are written

from __future__ import annotations

from typing import NamedTuple


class Language(NamedTuple):
    """A language: its share of all people in percent, and ten phrases that make sense in any order."""

    share: int
    phrases: tuple[str, ...]


LANGUAGES: tuple[Language, ...] = (
    Language(
        44,
        (
            "Hey, how are you?",
            "Sounds good",
            "On my way",
            "Can we talk tomorrow?",
            "Thanks so much!",
            "I'll send you the notes after lunch",
            "Did you see the game last night?",
            'She said "maybe", so probably not',
            "Let me check the calendar and get back to you in a minute",
            "ok",
        ),
    ),
    Language(
        12,
        (
            "¿Qué tal todo?",
            "Vale, perfecto",
            "Ya voy",
            "¿Hablamos mañana?",
            "¡Muchas gracias!",
            "Te lo mando esta tarde",
            "¿Viste el partido?",
            "No pasa nada",
            "Estoy en el tren, llego en diez minutos",
            "sí",
        ),
    ),
    Language(
        8,
        (
            "Tudo bem?",
            "Combinado",
            "Já estou a caminho",
            "Amanhã a gente conversa",
            "Obrigado!",
            "Mando o arquivo depois do almoço",
            "Que saudade",
            "Não se preocupe",
            "Vou confirmar e te aviso",
            "sim",
        ),
    ),
    Language(
        7,
        (
            "Wie geht's?",
            "Klingt gut",
            "Bin unterwegs",
            "Können wir morgen reden?",
            "Vielen Dank!",
            "Ich schicke dir die Unterlagen später",
            "Schöne Grüße an alle",
            "Kein Problem",
            "Ich melde mich, sobald ich zu Hause bin",
            "ja",
        ),
    ),
    Language(
        6,
        (
            "Ça va ?",
            "D'accord",
            "J'arrive",
            "On en parle demain ?",
            "Merci beaucoup !",
            "Je t'envoie ça ce soir",
            "À tout à l'heure",
            "Pas de souci",
            "Le train a encore du retard, désolé",
            "oui",
        ),
    ),
    Language(
        6,
        (
            "क्या हाल है?",
            "ठीक है",
            "मैं आ रहा हूँ",
            "कल बात करते हैं",
            "बहुत धन्यवाद!",
            "शाम को भेज दूँगा",
            "मैच देखा क्या?",
            "कोई बात नहीं",
            "दस मिनट में पहुँचता हूँ",
            "हाँ",
        ),
    ),
    Language(
        5,
        (
            "元気ですか？",
            "了解です",
            "今向かっています",
            "明日話せますか？",
            "ありがとう！",
            "資料は後で送ります",
            "お疲れさまです",
            "大丈夫です",
            "電車が遅れているので少し待ってください",
            "はい",
        ),
    ),
    Language(
        5,
        (
            "你好吗？",
            "没问题",
            "我在路上",
            "明天再聊",
            "非常感谢！",
            "下午发给你",
            "昨晚的比赛看了吗？",
            "不用担心",
            "我十分钟后到，请等一下",
            "好",
        ),
    ),
    Language(
        4,
        (
            "كيف حالك؟",
            "تمام",
            "أنا في الطريق",
            "نتحدث غدا",
            "شكرا جزيلا!",
            "سأرسل لك الملف لاحقا",
            "هل شاهدت المباراة؟",
            "لا مشكلة",
            "سأصل بعد عشر دقائق إن شاء الله",
            "نعم",
        ),
    ),
    Language(
        3,
        (
            "Как дела?",
            "Хорошо",
            "Уже еду",
            "Поговорим завтра?",
            "Большое спасибо!",
            "Пришлю документы вечером",
            "Видел матч?",
            "Ничего страшного",
            "Буду через десять минут, подожди меня",
            "да",
        ),
    ),
)
EMOJI: tuple[str, ...] = ("👍", "😂", "❤️", "🎉", "🙏", "👩‍💻", "🇪🇺", "✨")
