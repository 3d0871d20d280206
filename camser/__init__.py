"""camser: speech emotion recognition from plugins, on SpeechBrain."""

__version__ = "0.1.0"
