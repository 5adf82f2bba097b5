"""The language of automations: events, conditions, templates, and the words that the whole file shares.

Pure: no network, no clock, no engine. What a step does lives in `connectors`; when it is done, in `running`.
"""
