"""
The chaos suite: a real sender against a real SMTP server, both killed again and again, and then the reckoning.

    make chaos                                              # 100 kills over 20,000 mails, some minutes
    python -m tests.chaos --kills 10 --mails 2000 --seed 7  # a smaller one, repeatable in its choices

Processes: the sender (`rfs-mail run`), the relay, the web pages, and the conductor that does them harm. The relay
writes down each message before it answers 250; triggers in the database write down each move of a delivery and each
suppression in the order of their commits. At the end `audit` holds one against the other, message by message.
"""
